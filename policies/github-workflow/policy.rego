# A GitHub Actions workflow of a repository, at a ref.
package bundler

import data.lib.cert
import data.lib.params
import data.lib.text

default allow := false

# issuer vouches for workflows of github.com; a GitHub Enterprise Server has its
# own, given by --policy-param issuer=….
default issuer := "https://token.actions.githubusercontent.com"

issuer := params.text("issuer")

fulcio := input.signer.certificate.fulcio

allow if {
	fulcio.issuer == issuer
	fulcio.sourceRepositoryURI == params.text("repository")
	count(cert.names) == 1
	some name in cert.names
	startswith(name, concat("", [params.text("repository"), "/", params.text("workflow"), "@"]))
	ref_matches
}

# ref_matches holds if the ref is the one asked for, or matches as a whole the
# pattern that was.
ref_matches if fulcio.sourceRepositoryRef == params.text("ref")

ref_matches if text.full_match(params.text("ref-pattern"), fulcio.sourceRepositoryRef)

deny contains {"code": "params", "msg": sprintf("expected --policy-param %s=…", [name])} if {
	some name in params.missing({"repository", "workflow"})
}

deny contains {"code": "params", "msg": "expected --policy-param ref=… or ref-pattern=…"} if {
	count(params.missing({"ref", "ref-pattern"})) == 2
}

deny contains {"code": "issuer", "msg": sprintf("the issuer is %s", [fulcio.issuer])} if fulcio.issuer != issuer

deny contains {"code": "repository", "msg": sprintf("the repository is %v", [fulcio.sourceRepositoryURI])} if {
	fulcio.sourceRepositoryURI != params.text("repository")
}

deny contains {"code": "ref", "msg": sprintf("the ref is %v", [fulcio.sourceRepositoryRef])} if not ref_matches

deny contains {"code": "runner", "msg": sprintf("the runner is %v", [fulcio.runnerEnvironment])} if {
	fulcio.runnerEnvironment != params.text("runner")
}
