#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What we make, openssl(1) opens; what openssl(1) makes, we open (docs/xmpp.md, "The seal"); and
# what openssl(1) makes in a way that the protocol does not allow, we refuse, each for its reason.
set -u
tool=${top_builddir:-.}/tests/unit/seal/seal_tool
[ -x "$tool" ] || { echo "no $tool: build it"; exit 99; }
command -v openssl >/dev/null || { echo "no openssl(1): skipped"; exit 77; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/immp-openssl-XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99
failed=0 passed=0

# ok NAME COMMAND…: it succeeds.  no REASON NAME COMMAND…: it fails and says so.
ok() {
    local name=$1; shift
    if "$@" >ok.out 2>ok.err; then passed=$((passed + 1)); echo "ok    $name"
    else failed=$((failed + 1)); echo "FAIL  $name: $*"; sed 's/^/      /' ok.err; fi
}
no() {
    local reason=$1 name=$2; shift 2
    if "$@" >no.out 2>no.err; then failed=$((failed + 1)); echo "FAIL  $name: was accepted"
    elif ! grep -q -- "$reason" no.err; then failed=$((failed + 1)); echo "FAIL  $name: $(cat no.err)"
    elif [ -s no.out ]; then failed=$((failed + 1)); echo "FAIL  $name: let content out"
    else passed=$((passed + 1)); echo "ok    $name"; fi
}

for d in a.example b.example c.example; do
    "$tool" keys . $d || exit 1
    for use in sign encrypt; do openssl x509 -in $d.$use.pem -out $d.$use.crt || exit 1; done
done
{ echo '{"immp":"1.0"}'; head -c 100000 /dev/urandom; } >bundle
printf '{"id":"6f0a2c1e-7b5d-4c3a-9e8f-001122334455","kind":"message"}' >header

# ---- ours, by openssl(1) ----
ours_opens() {
    "$tool" seal . a.example b.example <bundle >ours.pem &&
    openssl cms -verify -inform PEM -in ours.pem -certfile a.example.sign.crt -nointern -noverify \
        -binary -out ours.der &&
    openssl cms -decrypt -inform DER -in ours.der -recip b.example.encrypt.crt \
        -inkey b.example.encrypt.pem -binary -out ours.bundle && cmp bundle ours.bundle
}
ok "openssl verifies and decrypts our seal" ours_opens
ours_chain() {
    openssl cms -verify -inform PEM -in ours.pem -certfile a.example.sign.crt -nointern \
        -CAfile a.example.sign.crt -purpose any -binary -out ours.der
}
ok "openssl verifies our seal by our certificate as its own authority" ours_chain
ok "our seal has no certificates inside" sh -c \
    '! openssl cms -cmsout -print -inform PEM -in ours.pem | grep -q "d.certificate"'
ours_signature() {
    "$tool" sign . a.example <header >ours.sig && [ "$(wc -l <ours.sig)" = 0 ] &&
    base64 -d ours.sig >ours.sig.der &&
    openssl cms -verify -inform DER -in ours.sig.der -content header -certfile a.example.sign.crt \
        -nointern -noverify -binary -out /dev/null
}
ok "openssl verifies our message signature" ours_signature
ours_receipt() {
    "$tool" receipt . b.example <header >ours.receipt &&
    openssl cms -verify -inform PEM -in ours.receipt -certfile b.example.sign.crt -nointern -noverify \
        -binary -out receipt.text && cmp header receipt.text
}
ok "openssl verifies our receipt" ours_receipt

# ---- RSA, which an operator or a peer may have ----
openssl req -x509 -newkey rsa:3072 -nodes -keyout r.key -out r.crt -days 30 -subj /CN=r \
    -addext subjectAltName=DNS:r.example 2>/dev/null
(umask 077; cat r.key r.crt >r.example.sign.pem)
rsa_decrypts() {
    "$tool" seal-for . a.example r.crt <bundle >ours.pem &&
    openssl cms -verify -inform PEM -in ours.pem -certfile a.example.sign.crt -nointern -noverify \
        -binary -out ours.der &&
    openssl cms -decrypt -inform DER -in ours.der -recip r.crt -inkey r.key -binary -out ours.bundle &&
    cmp bundle ours.bundle
}
ok "openssl decrypts what we seal for an RSA key" rsa_decrypts
ok "… by OAEP with SHA-256" sh -c 'openssl cms -cmsout -print -inform DER -in ours.der | grep -q rsaesOaep'
rsa_signs() {
    "$tool" receipt . r.example <header >ours.receipt &&
    openssl cms -verify -inform PEM -in ours.receipt -certfile r.crt -nointern -noverify \
        -binary -out receipt.text && cmp header receipt.text
}
ok "openssl verifies what we sign by an RSA key" rsa_signs
for opts in "" "-keyopt rsa_padding_mode:pss" "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:20"; do
    openssl cms -sign -nodetach -binary -in header -outform PEM -out receipt -keyid -md sha256 \
        -signer r.crt -inkey r.key $opts
    ok "we open a receipt by an RSA key ${opts:-(PKCS 1)}" sh -c \
        "'$tool' open-receipt . r.example <receipt | cmp - header"
done

# ---- openssl's, by us ----
# encrypt ARGS… >inner.der;  sign ARGS… >seal.pem;  both from the spec alone
encrypt() { openssl cms -encrypt -binary -in bundle -outform DER -out inner.der "$@"; }
sign() {
    openssl cms -sign -nodetach -binary -in inner.der -outform PEM -out seal.pem \
        -signer a.example.sign.crt -inkey a.example.sign.pem "$@"
}
by_us() { "$tool" open . a.example b.example <seal.pem >by_us.out && cmp bundle by_us.out; }
tell() { "$tool" open . a.example b.example <seal.pem; }

kdf="-recip b.example.encrypt.crt -keyopt ecdh_kdf_md:sha256"
encrypt -aes-256-gcm $kdf && cp inner.der good.der || failed=$((failed + 1))
sign -keyid -md sha256 -nocerts -nosmimecap;      ok "we open what openssl sealed by the letter" by_us
sign -keyid -md sha256;                           ok "… with its certificate and capabilities inside" by_us
sign -md sha256;                                  ok "… with the signer named by issuer and serial" by_us
sign -keyid -md sha256 -nocerts -stream;          ok "… streamed, in indefinite lengths" by_us
sign -keyid -md sha384 -nocerts;                  ok "… signed with SHA-384" by_us
sign -keyid -md sha512 -nocerts;                  ok "… signed with SHA-512" by_us
encrypt -aes-256-gcm $kdf -keyid
sign -keyid -md sha256 -nocerts;                  ok "… for a recipient named by key identifier" by_us
encrypt -aes-256-gcm $kdf -stream
sign -keyid -md sha256 -nocerts;                  ok "… with the encrypted content streamed" by_us
encrypt -aes-256-gcm -recip c.example.encrypt.crt -keyopt ecdh_kdf_md:sha256 $kdf
sign -keyid -md sha256 -nocerts;                  ok "… for us among other recipients" by_us
encrypt -aes-256-gcm -recip b.example.encrypt.crt -keyopt ecdh_kdf_md:sha512
sign -keyid -md sha256 -nocerts;                  ok "… with KDF SHA-512" by_us

# ---- openssl's, not as the protocol allows ----
cp good.der inner.der
sign -keyid -md sha1 -nocerts;    no "digest"          "a SHA-1 signature is refused" tell
sign -keyid -md sha224 -nocerts;  no "digest"          "a SHA-224 signature is refused" tell
sign -keyid -md sha256 -nocerts -noattr
no "no signed attributes" "a signature without signed attributes is refused" tell
sign -keyid -md sha256 -nocerts -signer c.example.sign.crt -inkey c.example.sign.pem
no "exactly one signer" "two signers are refused" tell
openssl cms -sign -nodetach -binary -in inner.der -outform PEM -out seal.pem -keyid -md sha256 \
    -signer c.example.sign.crt -inkey c.example.sign.pem
no "another key" "a seal re-signed by another domain is refused, its certificate inside or not" tell
openssl cms -sign -binary -in inner.der -outform PEM -out seal.pem -keyid -md sha256 -nocerts \
    -signer a.example.sign.crt -inkey a.example.sign.pem
no "detached" "a detached seal is refused" tell
openssl cms -encrypt -binary -in bundle -outform PEM -out seal.pem -aes-256-gcm $kdf
no "not CMS SignedData" "what is only encrypted is refused" tell
openssl cms -data_create -in bundle -outform PEM -out seal.pem 2>/dev/null
no "not CMS SignedData" "plain data is refused" tell
cp bundle inner.der; sign -keyid -md sha256 -nocerts
no "not AuthEnvelopedData" "what is only signed is refused" tell
encrypt -aes-256-cbc $kdf; sign -keyid -md sha256 -nocerts
no "not AuthEnvelopedData" "CBC is refused" tell
encrypt -aes-128-gcm $kdf; sign -keyid -md sha256 -nocerts
no "AES-256-GCM" "AES-128-GCM is refused" tell
encrypt -aes-256-gcm -recip b.example.encrypt.crt; sign -keyid -md sha256 -nocerts
no "ecdh_kdf_md:sha256" "KDF SHA-1, openssl's default, is refused and the cure is named" tell
encrypt -aes-256-gcm -recip c.example.encrypt.crt -keyopt ecdh_kdf_md:sha256
sign -keyid -md sha256 -nocerts
no "not ours" "a seal for another domain is refused" tell
openssl cms -compress -binary -in good.der -outform DER -out inner.der 2>/dev/null &&
    { sign -keyid -md sha256 -nocerts; no "not AuthEnvelopedData" "compression is refused" tell; }

# ---- message signatures and receipts ----
openssl cms -sign -binary -in header -outform DER -out sig.der -keyid -md sha256 -nocerts \
    -signer a.example.sign.crt -inkey a.example.sign.pem && base64 -w0 sig.der >sig
check() { "$tool" check . "$1" "$2" <sig; }
ok "we check a message signature by openssl" check a.example header
no "another key" "… of another domain: refused" check b.example header
printf ' ' >>header; no "not the one that was signed" "… of another header: refused" check a.example header
printf '{"bundle":"6f0a2c1e-7b5d-4c3a-9e8f-001122334455"}' >text
openssl cms -sign -nodetach -binary -in text -outform PEM -out receipt -keyid -md sha256 -nocerts \
    -signer b.example.sign.crt -inkey b.example.sign.pem
open_receipt() { "$tool" open-receipt . "$1" <receipt; }
ok "we open a receipt by openssl" open_receipt b.example
no "another key" "… as of another domain: refused" open_receipt a.example
fp() { openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -c-64; }
endorse() {
    printf '%s\nsign %s\nencrypt %s\n' "$1" "$(fp c.example.sign.crt)" "$(fp c.example.encrypt.crt)" >text
    openssl cms -sign -nodetach -binary -in text -outform PEM -out "$2" -keyid -md sha256 -nocerts \
        -signer b.example.sign.crt -inkey b.example.sign.pem
}
endorse c.example good
endorse b.example endorsement
ok "an endorsement of a domain's keys holds" sh -c "'$tool' endorsed . b.example c.example <good"
no "another key" "… by another key: refused" sh -c "'$tool' endorsed . a.example c.example <good"
no "not of these keys" "an endorsement for another domain is refused" \
    sh -c "'$tool' endorsed . b.example c.example <endorsement"

echo "openssl: $passed passed, $failed failed ($(openssl version))"
[ "$failed" -eq 0 ]
