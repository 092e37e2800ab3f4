#!/bin/sh
# Installs the peers that `npm run conformance -- --peer all` starts; each is left out of the table when its part fails.
cd "$(dirname "$0")/.." || exit 1
mkdir -p .cache
(cd peers/rivals && npm ci --no-audit --no-fund) || echo "ws, undici and Bun are not installed" >&2
python3 -m pip install --quiet --upgrade --target .cache/python websockets==17.4 || echo "websockets is not installed" >&2
(cd peers/gorilla && go build -o ../../.cache/gorilla-echo .) || echo "gorilla is not installed" >&2
