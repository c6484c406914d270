#!/bin/sh
# Makes the certificates that tests of TLS use: a private CA, a server and a client that it signed, valid for 100 years.
# They are committed, because not every machine that runs the tests has openssl. Run it in this folder to renew them.
set -eu

ec() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

ec ca-key.pem
openssl req -x509 -new -key ca-key.pem -subj "/CN=connect-lb test CA" -days 36500 -sha256 -out ca.pem

signed() {
  ec "$1-key.pem"
  printf '%s\n' "$3" > extensions
  openssl req -new -key "$1-key.pem" -subj "/CN=$2" |
    openssl x509 -req -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 36500 -sha256 -extfile extensions -out "$1.pem"
}
signed server simple.test "subjectAltName=DNS:simple.test,DNS:localhost,IP:127.0.0.1,IP:::1"
signed client client.simple.test "extendedKeyUsage=clientAuth"

# Nothing else is to be signed by this CA.
rm -f ca-key.pem ca.srl extensions
