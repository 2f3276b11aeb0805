#!/bin/sh
# The small service of the demo: it prints which settings it got, and where from.
echo "service: pid $$, settings in $SSOVAULT_SHARED ($(stat -L -c '%A, %s bytes' "$SSOVAULT_SHARED"))"
grep -E '^(sso_domain|sso_connect_host|sso_ssl_port|idp_type)=' "$SSOVAULT_SHARED" | sed 's/^/service:   /'
grep -qE '^shared_secret_key=.{40}' "$SSOVAULT_SHARED" && echo "service:   shared_secret_key is there"
grep -E '^(instance_number|admin_port)=' "$SSOVAULT_INSTANCE" | sed 's/^/service:   /'
