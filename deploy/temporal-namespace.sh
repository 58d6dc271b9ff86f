#!/bin/sh
# Makes the namespace when it is new. TEMPORAL_ADDRESS, NAMESPACE and RETENTION come from the environment.
set -eu

until temporal operator cluster health >/dev/null 2>&1; do sleep 1; done
if temporal operator namespace describe --namespace "$NAMESPACE" >/dev/null 2>&1; then
  exec temporal operator namespace update --namespace "$NAMESPACE" --retention "$RETENTION"
fi
exec temporal operator namespace create --namespace "$NAMESPACE" --retention "$RETENTION"
