package policy

import (
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// builtins is the allow list: the only functions that a policy can call. A
// newer OPA adds nothing to it. Left out are the network, the clock, chance,
// the environment, tokens and private keys, other languages' parsers, broken
// hashes, and what makes much of little (bit shifts, YAML's aliases).
const builtins = `
	abs all and any array.concat array.flatten array.reverse array.slice assign
	base64.decode base64.encode base64.is_valid base64url.decode base64url.encode_no_pad
	ceil concat contains count crypto.hmac.equal crypto.hmac.sha256 crypto.hmac.sha512 crypto.sha256
	div endswith eq equal floor format_int glob.match glob.quote_meta graph.reachable gt gte
	hex.decode hex.encode indexof indexof_n internal.member_2 internal.member_3 internal.template_string intersection
	is_array is_boolean is_null is_number is_object is_set is_string
	json.filter json.is_valid json.marshal json.remove json.unmarshal
	lower lt lte max min minus mul neq numbers.range
	object.filter object.get object.keys object.remove object.subset object.union object.union_n or plus product
	regex.find_all_string_submatch_n regex.find_n regex.is_valid regex.match regex.replace regex.split
	rem replace round semver.compare semver.is_valid sort split sprintf startswith
	strings.any_prefix_match strings.any_suffix_match strings.count strings.replace_n strings.reverse substring sum
	time.add_date time.clock time.date time.diff time.format time.parse_duration_ns time.parse_ns time.parse_rfc3339_ns time.weekday
	to_number trim trim_left trim_prefix trim_right trim_space trim_suffix type_name union upper
	uri.is_valid uri.parse urlquery.decode urlquery.encode walk`

// testBuiltins are added for tests alone.
const testBuiltins = `print internal.print trace internal.test_case`

// features of the language, pinned as the functions are.
var features = []string{ast.FeatureRegoV1, ast.FeatureKeywordsInRefs, ast.FeatureTemplateStrings}

// capabilities returns what policies, or the tests of policies, may use. It is
// shared: nobody changes it.
func capabilities(tests bool) *ast.Capabilities {
	if tests {
		return testCapabilities()
	}
	return policyCapabilities()
}

var (
	policyCapabilities = sync.OnceValue(func() *ast.Capabilities { return newCapabilities(false) })
	testCapabilities   = sync.OnceValue(func() *ast.Capabilities { return newCapabilities(true) })
)

func newCapabilities(tests bool) *ast.Capabilities {
	names := strings.Fields(builtins)
	if tests {
		names = append(names, strings.Fields(testBuiltins)...)
	}
	caps := ast.CapabilitiesForThisVersion()
	caps.Builtins = slices.DeleteFunc(slices.Clone(caps.Builtins), func(b *ast.Builtin) bool { return !slices.Contains(names, b.Name) })
	caps.Features = slices.DeleteFunc(slices.Clone(caps.Features), func(f string) bool { return !slices.Contains(features, f) })
	caps.WasmABIVersions = nil
	caps.AllowNet = []string{} // none; nil would be all
	return caps
}
