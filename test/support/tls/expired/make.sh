#!/bin/sh
# Makes certificates that have expired: a CA whose own certificate expired in 2021 (ca.pem), and the same CA with one that is
# valid for 100 years (ca-valid.pem); a server's certificate that is valid for 100 years (server.pem) and one that expired in
# 2021 (server-old.pem), both signed by its key. They are committed, because not every machine that runs the tests has
# openssl. Run it in this folder to renew them.
set -eu

ec() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

cat > ca.conf <<CONF
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
email_in_dn = no
unique_subject = no
[any]
commonName = supplied
[is_ca]
basicConstraints = critical, CA:TRUE
[is_server]
subjectAltName = DNS:simple.test, DNS:localhost, IP:127.0.0.1, IP:::1
CONF
: > index.txt
echo 01 > serial

ec ca-key.pem
ec server-key.pem
openssl req -new -key ca-key.pem -subj "/CN=connect-lb expired test CA" -out ca.csr
openssl req -new -key server-key.pem -subj "/CN=simple.test" -out server.csr

PAST="-startdate 20200101000000Z -enddate 20210101000000Z"
LONG="-startdate 20200101000000Z -enddate 21200101000000Z"
sign() { openssl ca -batch -config ca.conf -notext -keyfile ca-key.pem "$@"; }
# shellcheck disable=SC2086 -- two options each
sign -selfsign -extensions is_ca $PAST -in ca.csr -out ca.pem
sign -selfsign -extensions is_ca $LONG -in ca.csr -out ca-valid.pem
sign -cert ca-valid.pem -extensions is_server $LONG -in server.csr -out server.pem
sign -cert ca-valid.pem -extensions is_server $PAST -in server.csr -out server-old.pem

# Nothing else is to be signed by this CA.
rm -f ca-key.pem ca.csr server.csr ca.conf index.txt* serial* [0-9]*.pem
