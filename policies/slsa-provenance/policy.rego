# SLSA provenance by a builder that you trust. The level is the builder's: the
# data file says which levels its builders have, so that "level" asks for it.
#
#	{"builders": {"https://ci.acme.example/builder": {"level": 3, "signer": "https://ci.acme.example/sign"}}}
package bundler

import data.lib.cert
import data.lib.params
import data.lib.slsa

default allow := false

builder := data.params.builders[slsa.builder_id]

allow if {
	builder.level >= level
	cert.names == {builder.signer}
	issued
}

# issued holds if whoever vouched for the signer is the one listed. A builder
# without an issuer has a certificate of a CA of your own.
issued if input.signer.certificate.fulcio.issuer == builder.issuer

issued if {
	input.signer.certificate.fulcio == null
	not builder.issuer
}

level := to_number(params.text("level"))

deny contains {"code": "params", "msg": sprintf("expected --policy-param %s=…", [name])} if {
	some name in params.missing({"level"})
}

deny contains {"code": "params", "msg": "expected --policy-data with the builders"} if not data.params.builders

deny contains {"code": "statement", "msg": sprintf("expected provenance, found %v", [object.get(input.statement, "predicateType", null)])} if {
	not input.statement.predicateType in {slsa.v1, slsa.v02}
}

deny contains {"code": "builder", "msg": sprintf("the builder %v is not listed", [slsa.builder_id])} if not builder

deny contains {"code": "level", "msg": sprintf("the builder has level %v", [builder.level])} if builder.level < level

deny contains {"code": "signer", "msg": sprintf("the builder does not sign as %s", [concat(", ", cert.names)])} if {
	cert.names != {builder.signer}
}

deny contains {"code": "source", "msg": sprintf("it was not built from %s", [params.text("source")])} if {
	not params.text("source") in sources
	params.given("source")
}

# sources are the repositories that the provenance lists, by URI without a ref.
sources contains split(split(item.uri, "@")[0], "#")[0] if {
	some item in input.statement.predicate.buildDefinition.resolvedDependencies
}

sources contains split(split(item.uri, "@")[0], "#")[0] if {
	some item in input.statement.predicate.materials
}
