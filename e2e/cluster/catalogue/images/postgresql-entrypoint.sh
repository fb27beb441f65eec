#!/bin/sh
# As the image that everybody knows: started as root, gives the data its owner and gives up root;
# started as anybody else, makes the database as that user.
set -e
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  chown -R postgres:postgres "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  exec su -s /bin/sh -c 'exec "$0" "$@"' -- postgres "$0" "$@"
fi
mkdir -p "$PGDATA"
chmod 700 "$PGDATA" || true
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # initdb wants its user to have a name.
  if ! id -un >/dev/null 2>&1; then
    NSS_WRAPPER_PASSWD=$(mktemp) NSS_WRAPPER_GROUP=$(mktemp)
    export NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    echo "postgres:x:$(id -u):$(id -g):PostgreSQL:$PGDATA:/bin/false" >"$NSS_WRAPPER_PASSWD"
    echo "postgres:x:$(id -g):" >"$NSS_WRAPPER_GROUP"
    LD_PRELOAD=$(find /usr/lib -name libnss_wrapper.so | head -n 1)
    export LD_PRELOAD
  fi
  initdb --username=postgres --auth=trust --no-sync --no-locale --encoding=UTF8
  unset LD_PRELOAD
  echo "host all all all trust" >>"$PGDATA/pg_hba.conf"
fi
exec "$@" -c "listen_addresses=*"
