# The signer's certificate.
package lib.cert

# names are all its alternative names that are text, of every kind.
names := union({
	{name | some name in input.signer.certificate.san.dns},
	{name | some name in input.signer.certificate.san.email},
	{name | some name in input.signer.certificate.san.uri},
	{name | some name in input.signer.certificate.san.ip},
	{name | some name in input.signer.certificate.san.dirName},
	{name | some name in input.signer.certificate.san.registeredID},
	{other.value | some other in input.signer.certificate.san.otherName; other.value != null},
})

# dn_matches holds if the subject has all that want asks for, such as
# {"O": "Acme", "OU": ["Build", "Release"]}, and maybe more. Keys are CN, O, OU,
# C, ST and L; a want of nothing matches nobody.
dn_matches(want) if {
	count(want) > 0
	every key, value in want {
		wanted := {v | some v in listed(value)}
		count(wanted) > 0
		count(wanted - {v | some v in input.signer.certificate.subject[key]}) == 0
	}
}

listed(value) := [value] if is_string(value)

listed(value) := value if is_array(value)

# dns holds if there are DNS names and every one matches the pattern, in which *
# stands for one label: *.build.acme.example.
dns(pattern) if {
	count(input.signer.certificate.san.dns) > 0
	every name in input.signer.certificate.san.dns {
		glob.match(lower(pattern), ["."], lower(name))
	}
}

# spiffe_under holds if the SPIFFE ID is that path of the trust domain, or below
# it. The path "" is the whole trust domain.
spiffe_under(domain, path) if {
	input.signer.certificate.san.spiffe.trustDomain == domain
	below(input.signer.certificate.san.spiffe.path, trim_suffix(path, "/"))
}

below(path, prefix) if path == prefix

below(path, prefix) if startswith(path, concat("", [prefix, "/"]))

# eku holds if the extended key usages have that OID.
eku(oid) if oid in input.signer.certificate.extKeyUsage.oids

# policy holds if the certificate policies have that OID.
policy(oid) if oid in input.signer.certificate.policies
