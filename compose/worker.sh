#!/bin/sh
# Run the worker where a container is restarted whatever its exit code says.
#
# After 69, 75 or a kill a restart is right. After 65, 70 or 78 (docs/operations.md) it is not: a worker that stopped for good would
# go on. Then this waits, the health check fails because nobody answers, and `docker compose restart worker` begins anew.
centralita worker "$@" &
worker=$!
trap 'kill -TERM "$worker" 2>/dev/null' TERM INT

wait "$worker"
code=$?
# A signal ends `wait` but not yet the worker.
while kill -0 "$worker" 2>/dev/null; do
    wait "$worker"
    code=$?
done

case $code in
65 | 70 | 78)
    echo "worker: ended with $code and stays ended, see docs/operations.md; then: docker compose restart worker" >&2
    trap 'exit "$code"' TERM INT
    sleep infinity &
    wait
    ;;
esac
exit "$code"
