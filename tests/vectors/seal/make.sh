#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes these vectors anew, by openssl(1) and by tests/unit/seal/seal_tool (its path is $1); in an
# empty folder. The files here are the result of one run; the tests read those, never this.
set -euo pipefail
tool=$1
id=9507ce26-d34e-41cb-9f14-4eeff943e25e
bundle=0b6f3c1e-7a5d-4c11-9a43-5d1f0e7c2b19

keys() { # FOLDER DOMAIN
    "$tool" keys "$1" "$2"
    for use in sign encrypt; do openssl x509 -in "$1/$2.$use.pem" -out "$1/$2.$use.crt"; done
}
mkdir new
keys . a.com; keys . b.com; keys . c.com; keys new a.com

# the message, its signature, the bundle
body='Hello, Bob.'
sha=$(printf '%s\n' "$body" | sha256sum | cut -c-64)
printf '{"id":"%s","kind":"message","origin":"a.com","destination":"b.com","from":"alice@a.com","to":["bob@b.com"],"subject":"Hello","date":"2026-11-24T03:21:48.123Z","parts":[{"name":"body.txt","type":"text/plain","class":"content","length":12,"sha256":"%s"}]}' \
    $id "$sha" >header.json
"$tool" sign . a.com <header.json >header.sig
{
    printf '{"immp":"1.0","bundle":"%s","origin":"a.com","destination":"b.com","time":"2026-11-24T03:21:49.000Z","messages":1,"pad":"....."}\n' $bundle
    cat header.json; echo; cat header.sig; echo; printf '%s\n' "$body"
} >bundle

encrypt() { openssl cms -encrypt -binary -in bundle -outform DER -out inner.der "$@"; }
sign() {
    local out=$1; shift
    openssl cms -sign -nodetach -binary -in inner.der -outform PEM -out "$out" \
        -signer a.com.sign.crt -inkey a.com.sign.pem "$@"
}
to_b="-recip b.com.encrypt.crt -keyopt ecdh_kdf_md:sha256"
plain="-keyid -md sha256 -nocerts"

# good
"$tool" seal . a.com b.com <bundle >seal.pem
encrypt -aes-256-gcm $to_b
sign openssl.pem -keyid -md sha256 -nocerts -nosmimecap
sign with-certificate.pem -md sha256
sign streamed.pem $plain -stream
sign sha512.pem -keyid -md sha512 -nocerts
{ printf '\n   '; sed 's/$/\r/' openssl.pem; printf ' \n'; } >white-space.pem
# refused
sign bad-sha1.pem -keyid -md sha1 -nocerts
sign bad-no-attributes.pem $plain -noattr
sign bad-two-signers.pem $plain -signer c.com.sign.crt -inkey c.com.sign.pem
openssl cms -sign -nodetach -binary -in inner.der -outform PEM -out bad-resigned.pem -md sha256 \
    -signer c.com.sign.crt -inkey c.com.sign.pem
openssl cms -sign -binary -in inner.der -outform PEM -out bad-detached.pem $plain \
    -signer a.com.sign.crt -inkey a.com.sign.pem
encrypt -aes-256-gcm -recip c.com.encrypt.crt -keyopt ecdh_kdf_md:sha256
sign bad-recipient.pem $plain
encrypt -aes-256-gcm -recip b.com.encrypt.crt;  sign bad-kdf-sha1.pem $plain
encrypt -aes-128-gcm $to_b;                     sign bad-aes128.pem $plain
encrypt -aes-256-cbc $to_b;                     sign bad-cbc.pem $plain
cp bundle inner.der;                            sign bad-not-encrypted.pem $plain
openssl cms -encrypt -binary -in bundle -outform PEM -out bad-not-signed.pem -aes-256-gcm $to_b
sed 's/CMS/PKCS7/' seal.pem >bad-label.pem
sed '2s/^..../!!!!/' seal.pem >bad-base64.pem
head -n 2 seal.pem >bad-no-end.pem
flip() { # the byte at an offset of the DER
    sed 1d seal.pem | sed '$d' | base64 -d >der
    printf "\\x$(printf %02x $((0x$(od -An -tx1 -j "$1" -N 1 der | tr -d ' ') ^ 1)))" |
        dd of=der bs=1 seek="$1" conv=notrunc status=none
    { echo "-----BEGIN CMS-----"; base64 -w0 der; echo; echo "-----END CMS-----"; } >"$2"
}
size=$(sed 1d seal.pem | sed '$d' | base64 -d | wc -c)
flip $((size / 2)) bad-content.pem
flip $((size - 1)) bad-signature.pem

# receipt and endorsement
der=$(sed 1d seal.pem | sed '$d' | base64 -d | sha256sum | cut -c-64)
printf '{"bundle":"%s","sha256":"%s","results":[{"id":"%s","to":"bob@b.com","code":201,"text":"delivered"}]}' \
    $bundle "$der" $id >receipt.json
"$tool" receipt . b.com <receipt.json >receipt.pem
fp() { openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -c-64; }
printf 'a.com\nsign %s\nencrypt %s\n' "$(fp new/a.com.sign.crt)" "$(fp new/a.com.encrypt.crt)" >endorsement.txt
openssl cms -sign -nodetach -binary -in endorsement.txt -outform PEM -out endorsement.pem $plain \
    -signer a.com.sign.crt -inkey a.com.sign.pem
rm -f inner.der der
chmod 644 ./*.pem new/*.pem
