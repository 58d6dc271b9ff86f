#!/bin/sh
# Gives new runs to the workers of this build, once they have registered; runs that started on another build stay there.
# TEMPORAL_ADDRESS, NAMESPACE, DEPLOYMENT and BUILD_ID come from the environment.
set -eu

attempts=60
until temporal worker deployment set-current-version --namespace "$NAMESPACE" \
  --deployment-name "$DEPLOYMENT" --build-id "$BUILD_ID" --yes; do
  attempts=$((attempts - 1))
  if [ "$attempts" -eq 0 ]; then
    echo "no worker of build $BUILD_ID registered within two minutes: see the worker's log" >&2
    exit 1
  fi
  sleep 2
done
