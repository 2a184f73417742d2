package trustroot

import (
	"fmt"
	"net/url"
	"strings"
)

// signing lints a signing config, alone and against the trusted root beside it.
func (k *checker) signing(c *Config) {
	path := ""
	if c.Root != nil || c.Keyring != nil {
		path = "/signingConfig"
	}
	s := c.Signing
	if len(s.CAs)+len(s.OIDC)+len(s.Rekor)+len(s.TSAs) == 0 {
		k.errorf(path, "the signing config names no service")
	}
	if len(s.CAs) > 0 && len(s.OIDC) == 0 {
		k.warnf(path+"/oidcUrls", "there is a CA and no identity provider to get a token for it from")
	}
	var root Root
	if c.Root != nil {
		root = *c.Root
	}
	for _, list := range []struct {
		path     string
		services []Service
		covers   []entry
		sel      Selection
	}{
		{"/caUrls", s.CAs, authorityEntries(root.CAs), Selection{Selector: Any}},
		{"/oidcUrls", s.OIDC, nil, Selection{Selector: Any}},
		{"/rekorTlogUrls", s.Rekor, logEntries(root.Logs), s.RekorSelection},
		{"/tsaUrls", s.TSAs, authorityEntries(root.TSAs), s.TSASelection},
	} {
		k.selection(path+list.path, list.services, list.sel)
		if c.Root != nil && list.path != "/oidcUrls" {
			k.coverage(path+list.path, list.services, list.covers)
		}
	}
}

// selection reports services that can not be selected from as of now.
func (k *checker) selection(path string, services []Service, sel Selection) {
	if len(services) == 0 {
		return
	}
	var versions []uint32
	for i, s := range services {
		p := fmt.Sprintf("%s/%d", path, i)
		if s.Operator == "" {
			k.errorf(p, "service %s has no operator: one is required, to tell whether two services are independent", s.URL)
		}
		if s.MajorAPIVersion == 0 {
			k.warnf(p, "service %s has API version 0, which means not yet released: it is never selected", s.URL)
		}
		versions = append(versions, s.MajorAPIVersion)
	}
	if _, err := selectSome("service", services, sel, versions, k.now); err != nil {
		k.errorf(path, "%v", err)
	}
}

// An entry is what of a trusted root can vouch for a service's answers.
type entry struct {
	url, operator string
	valid         Validity
}

func logEntries(logs []*Log) []entry {
	var entries []entry
	for _, l := range logs {
		entries = append(entries, entry{l.BaseURL, l.Operator, l.ValidFor})
	}
	return entries
}

func authorityEntries(list []*Authority) []entry {
	var entries []entry
	for _, a := range list {
		entries = append(entries, entry{a.URI, a.Operator, a.Window})
	}
	return entries
}

// coverage reports services in use whose answers nothing in the trusted root
// would vouch for, as far as URLs and operators tell.
func (k *checker) coverage(path string, services []Service, entries []entry) {
	for i, s := range services {
		if !s.ValidFor.Contains(k.now) {
			continue
		}
		named, covered := false, false
		for _, e := range entries {
			if e.operator != "" && e.operator == s.Operator || sameURL(e.url, s.URL) {
				named = true
				covered = covered || e.valid.Contains(k.now)
			}
		}
		p := fmt.Sprintf("%s/%d", path, i)
		switch {
		case !named:
			k.warnf(p, "service %s: no entry of the trusted root has its URL or operator: what it answers would not verify", s.URL)
		case !covered:
			k.warnf(p, "service %s: the entries of the trusted root with its URL or operator are not valid now", s.URL)
		}
	}
}

// sameURL compares URLs by host and path; documents write them with and
// without scheme and final slash.
func sameURL(a, b string) bool { return a != "" && normalURL(a) == normalURL(b) }

func normalURL(text string) string {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return strings.ToLower(u.Host) + strings.TrimRight(u.EscapedPath(), "/")
}
