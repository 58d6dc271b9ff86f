#!/bin/sh
# Makes or upgrades Temporal's two databases; run again, it changes nothing. SQL_PASSWORD comes from the environment.
set -eu

# $1 is the database, $2 the schema's folder.
upgrade() {
  temporal-sql-tool --plugin postgres12 --ep postgres --port 5432 --user perdure --db "$1" create
  temporal-sql-tool --plugin postgres12 --ep postgres --port 5432 --user perdure --db "$1" setup-schema --version 0.0
  temporal-sql-tool --plugin postgres12 --ep postgres --port 5432 --user perdure --db "$1" update-schema \
    --schema-dir "/etc/temporal/schema/postgresql/v12/$2/versioned"
}

upgrade temporal temporal
upgrade temporal_visibility visibility
