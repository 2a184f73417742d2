# A GitLab CI pipeline of a project, at a ref.
package bundler

import data.lib.cert
import data.lib.params
import data.lib.text

default allow := false

# issuer is gitlab.com; an instance of your own is given by --policy-param
# issuer=….
default issuer := "https://gitlab.com"

issuer := params.text("issuer")

fulcio := input.signer.certificate.fulcio

allow if {
	fulcio.issuer == issuer
	fulcio.sourceRepositoryURI == params.text("project")
	count(cert.names) == 1
	some name in cert.names
	startswith(name, concat("", [params.text("project"), "//"]))
	text.full_match(params.text("ref-pattern"), fulcio.sourceRepositoryRef)
}

deny contains {"code": "params", "msg": sprintf("expected --policy-param %s=…", [name])} if {
	some name in params.missing({"project", "ref-pattern"})
}

deny contains {"code": "issuer", "msg": sprintf("the issuer is %s", [fulcio.issuer])} if fulcio.issuer != issuer

deny contains {"code": "project", "msg": sprintf("the project is %v", [fulcio.sourceRepositoryURI])} if {
	fulcio.sourceRepositoryURI != params.text("project")
}

deny contains {"code": "ref", "msg": sprintf("the ref is %v", [fulcio.sourceRepositoryRef])} if {
	not text.full_match(params.text("ref-pattern"), fulcio.sourceRepositoryRef)
}
