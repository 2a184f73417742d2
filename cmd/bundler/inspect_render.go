package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
)

// text renders r for people. All of it is from others, and shown as clean has
// it.
func (r *inspection) text(w io.Writer) {
	fmt.Fprintf(w, "What %s claims. Nothing here has been verified: bundler verify does that.\n", clean(r.Source))
	for i := range r.Bundles {
		if len(r.Bundles) > 1 {
			fmt.Fprintf(w, "\nBundle %d of %d\n", i+1, len(r.Bundles))
		}
		r.Bundles[i].text(w)
	}
}

// line prints a labelled line, nothing for an empty value.
func line(w io.Writer, indent int, label, value string) {
	if value != "" {
		fmt.Fprintf(w, "%*s%-10s%s\n", indent, "", label, clean(value))
	}
}

func (b *bundleClaim) text(w io.Writer) {
	line(w, 2, "version", b.Version+", "+b.MediaType)
	line(w, 2, "SHA-256", b.SHA256)
	b.Signer.text(w)
	switch {
	case b.Message != nil:
		line(w, 2, "content", "a signature over an artifact")
		line(w, 4, "digest", b.Message.Digest)
	default:
		b.Envelope.text(w)
	}
	for i := range b.Entries {
		b.Entries[i].text(w)
	}
	for _, t := range b.Timestamps {
		t.text(w)
	}
}

func (s *signerClaim) text(w io.Writer) {
	if s.Certificate == nil {
		line(w, 2, "signer", "a key")
		line(w, 4, "hint", cmp.Or(*s.Hint, "(none)"))
		return
	}
	line(w, 2, "signer", "a certificate")
	s.Certificate.text(w)
	for _, c := range s.Chain {
		if c.Error != "" {
			line(w, 4, "chain", "unreadable: "+c.Error)
			continue
		}
		line(w, 4, "chain", fmt.Sprintf("%s, SHA-256 %s", cmp.Or(c.Subject, "(no subject)"), c.SHA256))
	}
}

func (c *certificateClaim) text(w io.Writer) {
	if c.Error != "" {
		line(w, 4, "problem", c.Error)
		line(w, 4, "SHA-256", c.SHA256)
		return
	}
	line(w, 4, "subject", cmp.Or(c.Subject, "(none)"))
	for _, n := range c.Names {
		line(w, 4, "name", n.Value+" ("+n.Type+")")
	}
	for _, issuer := range c.OIDCIssuers {
		line(w, 4, "OIDC", issuer)
	}
	line(w, 4, "issuer", cmp.Or(c.Issuer, "(none)"))
	line(w, 4, "valid", c.NotBefore.Format(time.RFC3339)+" to "+c.NotAfter.Format(time.RFC3339))
	line(w, 4, "serial", c.Serial)
	line(w, 4, "SHA-256", c.SHA256)
}

func (e *envelopeClaim) text(w io.Writer) {
	line(w, 2, "content", "an envelope")
	line(w, 4, "payload", e.PayloadType)
	line(w, 4, "keyid", e.KeyID)
	line(w, 4, "problem", e.Error)
	if e.Statement == nil {
		return
	}
	line(w, 4, "type", e.Statement.Type)
	line(w, 4, "predicate", e.Statement.PredicateType)
	for _, s := range e.Statement.Subjects {
		line(w, 4, "subject", cmp.Or(s.Name, "(no name)")+" "+strings.Join(s.Digests, " "))
	}
}

func (e *entryClaim) text(w io.Writer) {
	line(w, 2, "log", fmt.Sprintf("%s %s, index %d", e.Kind, e.Version, e.LogIndex))
	line(w, 4, "log id", e.LogID)
	if e.IntegratedTime != nil {
		line(w, 4, "time", e.IntegratedTime.Format(time.RFC3339))
	}
	if e.Promise {
		line(w, 4, "promise", "a signed entry timestamp")
	}
	if p := e.Proof; p != nil {
		line(w, 4, "proof", fmt.Sprintf("leaf %d of %d, checkpoint of %s", p.Index, p.TreeSize, p.Checkpoint.Origin))
		for _, name := range p.Checkpoint.Witnesses {
			line(w, 4, "witness", name)
		}
	}
}

func (t *timestampClaim) text(w io.Writer) {
	if t.Error != "" {
		line(w, 2, "timestamp", "unreadable: "+t.Error)
		return
	}
	text := t.Time.Format(time.RFC3339Nano)
	if t.Signer != "" {
		text += ", by " + t.Signer
	}
	line(w, 2, "timestamp", text)
}
