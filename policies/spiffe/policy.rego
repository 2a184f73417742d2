# Workloads with a SPIFFE ID of a trust domain, below a path.
package bundler

import data.lib.cert
import data.lib.params

default allow := false

allow if {
	not "trust-domain" in params.missing({"trust-domain"})
	cert.spiffe_under(params.text("trust-domain"), path)
	count(cert.names) == 1
}

default path := ""

path := params.text("path")

deny contains {"code": "params", "msg": sprintf("expected --policy-param %s=…", [name])} if {
	some name in params.missing({"trust-domain"})
}

deny contains {"code": "path", "msg": "expected a path that is empty or begins with a slash"} if {
	path != ""
	not startswith(path, "/")
}

deny contains {"code": "spiffe", "msg": sprintf("the signer is %s", [concat(", ", cert.names)])} if {
	not cert.spiffe_under(params.text("trust-domain"), path)
}
