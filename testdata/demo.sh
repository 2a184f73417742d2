#!/usr/bin/env bash
# demo.sh  the main job from end to end, with nothing but openssl and bundler:
# a company's own CA, a trust config, a signature made elsewhere, a bundle, a
# verdict; then one flipped byte, and the verdict on that. Then a private Sigstore
# on loopback: a signature without a key of one's own, and its verdict. No network.
#
# BUNDLER names the program to run (default: bin/bundler).
set -euo pipefail

bundler=$(realpath "${BUNDLER:-bin/bundler}")
work=$(mktemp -d)
sandbox=
trap 'if [ -n "$sandbox" ]; then kill "$sandbox" 2>/dev/null || true; fi; rm -rf "$work"' EXIT
cd "$work"

say() { printf '\n# %s\n' "$*"; }
run() {
	printf '$ %s\n' "$*" | sed "s#$bundler#bundler#"
	"$@"
}
# certify NAME ISSUER EXTENSION...  makes NAME.key and NAME.pem, issued by ISSUER.
certify() {
	local name=$1 issuer=$2
	shift 2
	printf '%s\n' "$@" >"$name.ext"
	openssl ecparam -genkey -name prime256v1 -noout -out "$name.key"
	openssl req -new -key "$name.key" -subj "/O=Acme/CN=$name" -out "$name.csr"
	openssl x509 -req -in "$name.csr" -CA "$issuer.pem" -CAkey "$issuer.key" -CAcreateserial \
		-days 365 -sha256 -extfile "$name.ext" -out "$name.pem" 2>/dev/null
}

say 'A private CA: root, intermediate, and a certificate for the build system (openssl).'
openssl ecparam -genkey -name prime256v1 -noout -out root.key
openssl req -x509 -new -key root.key -subj '/O=Acme/CN=root' -days 3650 -sha256 -out root.pem \
	-addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign'
certify intermediate root 'basicConstraints=critical,CA:TRUE,pathlen:0' 'keyUsage=critical,keyCertSign,cRLSign' \
	'subjectKeyIdentifier=hash' 'authorityKeyIdentifier=keyid'
certify build intermediate 'keyUsage=critical,digitalSignature' 'extendedKeyUsage=codeSigning' \
	'subjectAltName=URI:https://ci.acme.example/build,DNS:build.acme.example' 'authorityKeyIdentifier=keyid'
cat intermediate.pem root.pem >ca.pem
cat build.pem intermediate.pem >chain.pem
echo 'release 1.0 of our product' >product.tar

say 'One trust config says whom verifiers believe.'
run "$bundler" trust create --ca ca.pem,uri=https://pki.acme.example -o trust.json

say 'A request, a signature made by whoever holds the key (here openssl), a bundle.'
run "$bundler" request product.tar --certificate chain.pem -o request.json
run openssl dgst -sha256 -sign build.key -out product.sig product.tar
run "$bundler" assemble request.json --signature product.sig --certificate chain.pem

say 'The verdict: anyone with the trust config gets it, explained.'
verify=("$bundler" verify --trust-config trust.json --require auto
	--certificate-identity https://ci.acme.example/build product.tar)
run "${verify[@]}"

say 'One byte of the product flips.'
printf 'R' | dd of=product.tar conv=notrunc status=none
status=0
run "${verify[@]}" || status=$?
echo
if [ "$status" != 1 ]; then
	echo "demo: expected exit status 1 for a changed artifact, found $status" >&2
	exit 1
fi
echo "Rejected, with exit status 1, as it must be."

say 'A private Sigstore, all of it in one process on loopback.'
"$bundler" sandbox --dir sandbox --for 60s >sandbox.log &
sandbox=$!
for _ in $(seq 100); do
	grep -q '^ready' sandbox.log && break
	sleep 0.05
done
grep -q '^ready' sandbox.log || { echo 'demo: the sandbox did not start' >&2; exit 1; }
cat sandbox.log
issuer=$(awk '$1 == "oidc" { print $2 }' sandbox.log)

say 'Signed keyless: a key for this one signature, certified for whoever the token names.'
run "$bundler" sign --trust-config sandbox/trust_config.json --identity-token sandbox/token --force product.tar

say 'The verdict: who signed, when, and who witnessed it.'
run "$bundler" verify --trust-config sandbox/trust_config.json \
	--certificate-identity alice@example.com --certificate-oidc-issuer "$issuer" product.tar

say 'The private Sigstore ends; the bundle verifies without it.'
kill "$sandbox"
wait "$sandbox" || true
sandbox=
run "$bundler" verify --trust-config sandbox/trust_config.json --offline \
	--certificate-identity alice@example.com --certificate-oidc-issuer "$issuer" product.tar >/dev/null
echo
echo "Verified, offline."
