# SLSA provenance, v1 and v0.2: slsa.dev/spec/v1.0/provenance.
package lib.slsa

v1 := "https://slsa.dev/provenance/v1"

v02 := "https://slsa.dev/provenance/v0.2"

# builder_id is who says that it built.
builder_id := input.statement.predicate.runDetails.builder.id if input.statement.predicateType == v1

builder_id := input.statement.predicate.builder.id if input.statement.predicateType == v02

# builder holds if that one built.
builder(id) if builder_id == id

# build_type is the kind of build.
build_type := input.statement.predicate.buildDefinition.buildType if input.statement.predicateType == v1

build_type := input.statement.predicate.buildType if input.statement.predicateType == v02
