#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes ./configure in a checkout.
set -e
cd "$(dirname "$0")"
mkdir -p m4
exec autoreconf --force --install --warnings=all,no-obsolete
