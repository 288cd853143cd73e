//! What stands below the flags in the help of each command: examples, and what to know.

/// The binary as a whole.
pub const ROOT: &str = "\
Examples:
  artesian demo                                              a sample database that keeps changing, and the console
  artesian serve --database-url postgres://app@localhost/shop
  artesian serve --database-url sqlite:app.db --metadata ./metadata
  artesian check                                             what is wrong with settings, database and metadata
  artesian subscribe '{ orders(limit: 5) { id status } }'    rows in the terminal that follow the database

Settings are taken from flags, then from the environment, then from artesian.yaml.
Exit codes: 0 done; 1 failed; 2 wrong arguments, settings or metadata.";

/// `artesian serve`.
pub const SERVE: &str = "\
Examples:
  artesian serve --database-url sqlite:app.db
  artesian serve --database-url postgres://app@db/shop --metadata ./metadata --listen 0.0.0.0:8080
  ARTESIAN_ADMIN_SECRET=… artesian serve --config /etc/artesian.yaml

Endpoints: /graphql (POST, GET, WebSocket, event streams; also /v1/graphql), /healthz, /readyz,
/metrics, and the console at /.

SIGTERM or Ctrl-C: no new connections, sockets are closed over --shutdown-window, then exit code 0.
A second Ctrl-C ends it at once.";

/// `artesian demo`.
pub const DEMO: &str = "\
Examples:
  artesian demo
  artesian demo --speed 10 --port 9000
  artesian demo --path town.db        keep the database, and go on with it next time";

/// `artesian check`.
pub const CHECK: &str = "\
Examples:
  artesian check --database-url postgres://app@localhost/shop --metadata ./metadata
  artesian check && artesian serve
  artesian check --token - --role editor < token.txt

Reads the settings, fetches the keys of tokens, asks the webhook about a client without credentials,
connects, reads the catalog, applies the metadata, and reads nothing from every table that is served,
to see whether the user may. Exit code 1 if anything is wrong, or if the token is refused.";

/// `artesian schema`.
pub const SCHEMA: &str = "\
Examples:
  artesian schema --database-url sqlite:app.db > schema.graphql
  artesian schema --role user";

/// `artesian query`.
pub const QUERY: &str = "\
Examples:
  artesian query '{ orders(limit: 3) { id } }' --database-url sqlite:app.db
  artesian query 'query ($id: Int!) { orders_by_pk(id: $id) { status } }' --variables '{\"id\": 7}'
  artesian query @report.graphql --role user --header 'X-Hasura-User-Id: 7'
  artesian query '{ __typename }' --endpoint https://api.example.com/graphql --header 'Authorization: Bearer …'

Without --endpoint the operation runs in the configured database, without any server.
Exit code 1 if the answer has errors.";

/// `artesian subscribe`.
pub const SUBSCRIBE: &str = "\
Examples:
  artesian subscribe 'subscription { orders(order_by: {id: desc}, limit: 10) { id status } }'
  artesian subscribe '{ orders_aggregate { aggregate { count } } }'      without --endpoint, a query is followed too
  artesian subscribe @live.graphql --endpoint wss://api.example.com/graphql --protocol graphql-ws
  artesian subscribe … --json | jq .data

On a terminal the result is a table that changes in place; otherwise, or with --json, every result
is one line of JSON. Ctrl-C ends it with exit code 0.

--protocol auto asks a WebSocket for graphql-transport-ws or graphql-ws, whichever the server takes,
and tries an event stream where there is no WebSocket.";

/// `artesian explain`.
pub const EXPLAIN: &str = "\
Examples:
  artesian explain '{ orders(where: {status: {_eq: \"open\"}}) { id } }' --database-url sqlite:app.db
  artesian explain @report.graphql --variables '{\"id\": 7}' --role user --header 'X-Hasura-User-Id: 7'

Nothing is executed: the database only plans the statement.";

/// `artesian import`.
pub const IMPORT: &str = "\
Examples:
  artesian import tyk apis/ tyk.conf --output gateway

Hasura's metadata needs no import: artesian serve --metadata PATH takes it as it is.";

/// `artesian import tyk`.
pub const IMPORT_TYK: &str = "\
Examples:
  artesian import tyk api.json                              writes ./artesian.yaml and ./import-report.md
  artesian import tyk apis/ policies.json tyk.conf -o gateway
  artesian import tyk api.json -o - > artesian.yaml         the report goes to standard error

The report says of every field whether it is mapped, mapped with a difference, not mapped and what to
do instead, or without meaning here. Secrets are not copied: variables of the environment take their
place, and the report says which to set. Nothing is asked over the network.

Exit code 2 if a file is no JSON, if there is nothing of Tyk's, or if a file to be written is there.";
