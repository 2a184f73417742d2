package policy

// Distinct returns those of the inputs that have a signer of their own: the
// first of each. Signers are the same if they have the same key, or under the
// same anchor a name in common; so a signer with two certificates, or with one
// more name, is one signer.
func Distinct(inputs []*Input) []*Input {
	seen := make(map[string]bool)
	var out []*Input
	for _, in := range inputs {
		names := in.Signer.names()
		known := len(names) == 0 // a signer without a name is nobody
		for _, name := range names {
			known = known || seen[name]
		}
		for _, name := range names {
			seen[name] = true
		}
		if !known {
			out = append(out, in)
		}
	}
	return out
}

// names returns what tells the signer from others.
func (s *Signer) names() []string {
	switch {
	case s.PublicKey != nil:
		return []string{"key " + s.PublicKey.SPKISHA256}
	case s.Certificate == nil || len(s.Chain) == 0:
		return nil
	}
	c, anchor := s.Certificate, s.Chain[len(s.Chain)-1].SHA256
	names := []string{"key " + c.SPKISHA256}
	add := func(kind string, values ...string) {
		for _, v := range values {
			names = append(names, anchor+" "+kind+" "+v)
		}
	}
	add("dns", c.SAN.DNS...)
	add("email", c.SAN.Email...)
	add("uri", c.SAN.URI...)
	add("ip", c.SAN.IP...)
	add("dirName", c.SAN.DirName...)
	add("registeredID", c.SAN.RegisteredID...)
	for _, other := range c.SAN.OtherName {
		add("otherName", other.OID+" "+other.DER)
	}
	if len(names) == 1 {
		add("subject", c.Subject.Raw)
	}
	return names
}
