package trustroot

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// SigningConfig names the services a signer uses: SigningConfig v0.2.
type SigningConfig struct {
	CAs   []Service // Fulcio; base URLs
	OIDC  []Service // identity providers; base URLs
	Rekor []Service // transparency logs; base URLs
	TSAs  []Service // RFC 3161; full URLs

	// How many logs and timestamp authorities to use. The zero Selection
	// chooses nothing: selecting by it is an error.
	RekorSelection Selection
	TSASelection   Selection
}

// A Service is one instance of a service, at one URL.
type Service struct {
	URL             string
	MajorAPIVersion uint32 // 0: not yet released, and never selected
	ValidFor        Validity
	Operator        string
}

// A Selection says how many services of one kind to use.
type Selection struct {
	Selector Selector
	Count    uint32 // with Exact alone; 1 or more
}

// Selector is a ServiceSelector.
type Selector int

const (
	_     Selector = iota // undefined
	All                   // one service of every operator
	Any                   // any one service
	Exact                 // Count services
)

var selectorNames = [...]string{"SERVICE_SELECTOR_UNDEFINED", "ALL", "ANY", "EXACT"}

func (s Selector) String() string {
	if s < 0 || int(s) >= len(selectorNames) {
		return fmt.Sprintf("ServiceSelector(%d)", int(s))
	}
	return selectorNames[s]
}

// SelectCA returns the certificate authority to use at now, by a client that
// speaks those API versions: the highest version, then the newest start.
func (c *SigningConfig) SelectCA(versions []uint32, now time.Time) (Service, error) {
	return selectOne("certificate authority", c.CAs, versions, now)
}

// SelectOIDC is SelectCA for identity providers.
func (c *SigningConfig) SelectOIDC(versions []uint32, now time.Time) (Service, error) {
	return selectOne("identity provider", c.OIDC, versions, now)
}

// SelectRekor returns the transparency logs to use at now, by a client that
// speaks those API versions: the highest version that any log of now speaks,
// one log of each operator, the newest start first, and as many as
// RekorSelection asks for. Too few is an error.
func (c *SigningConfig) SelectRekor(versions []uint32, now time.Time) ([]Service, error) {
	return selectSome("transparency log", c.Rekor, c.RekorSelection, versions, now)
}

// SelectTSA is SelectRekor for timestamp authorities.
func (c *SigningConfig) SelectTSA(versions []uint32, now time.Time) ([]Service, error) {
	return selectSome("timestamp authority", c.TSAs, c.TSASelection, versions, now)
}

func selectOne(kind string, services []Service, versions []uint32, now time.Time) (Service, error) {
	found, err := selectSome(kind, services, Selection{Selector: Any}, versions, now)
	if err != nil {
		return Service{}, err
	}
	return found[0], nil
}

func selectSome(kind string, services []Service, sel Selection, versions []uint32, now time.Time) ([]Service, error) {
	found := eligible(services, versions, now)
	if len(found) == 0 {
		return nil, fmt.Errorf("signing config: expected a %s with API version %s that is valid at %s, found none among %d",
			kind, join(versions), now.UTC().Format(time.RFC3339), len(services))
	}
	switch sel.Selector {
	case All:
		return found, nil
	case Any:
		return found[:1], nil
	case Exact:
		if sel.Count == 0 || uint64(sel.Count) > uint64(len(found)) {
			return nil, fmt.Errorf("signing config: expected exactly %d services of the kind %s by different operators at %s, found %d",
				sel.Count, kind, now.UTC().Format(time.RFC3339), len(found))
		}
		return found[:sel.Count], nil
	}
	return nil, fmt.Errorf("signing config: expected the selector ALL, ANY or EXACT for the kind %s, found %v", kind, sel.Selector)
}

// eligible returns the services of the highest version in versions that any
// service valid at now speaks: one of each operator, newest start first. Equal
// starts keep their order.
func eligible(services []Service, versions []uint32, now time.Time) []Service {
	var found []Service
	for _, s := range services {
		if s.MajorAPIVersion > 0 && s.ValidFor.Contains(now) && slices.Contains(versions, s.MajorAPIVersion) {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b Service) int {
		return cmp.Or(cmp.Compare(b.MajorAPIVersion, a.MajorAPIVersion), b.ValidFor.Start.Compare(a.ValidFor.Start))
	})
	seen := make(map[string]bool)
	var chosen []Service
	for _, s := range found {
		if s.MajorAPIVersion == found[0].MajorAPIVersion && !seen[s.Operator] {
			seen[s.Operator] = true
			chosen = append(chosen, s)
		}
	}
	return chosen
}

func join(versions []uint32) string {
	text := make([]string, len(versions))
	for i, v := range versions {
		text[i] = fmt.Sprint(v)
	}
	return strings.Join(text, " or ")
}

func loadSigning(w *wireSigning, path string) (*SigningConfig, error) {
	if w.MediaType != MediaTypeSigning {
		return nil, fail(path+"/mediaType", "expected %s, found %q", MediaTypeSigning, w.MediaType)
	}
	c := &SigningConfig{}
	for _, list := range []struct {
		name string
		wire []wireService
		to   *[]Service
	}{
		{"/caUrls", w.CAURLs, &c.CAs},
		{"/oidcUrls", w.OIDCURLs, &c.OIDC},
		{"/rekorTlogUrls", w.RekorTLogURLs, &c.Rekor},
		{"/tsaUrls", w.TSAURLs, &c.TSAs},
	} {
		services, err := loadServices(list.wire, path+list.name)
		if err != nil {
			return nil, err
		}
		*list.to = services
	}
	var err error
	if c.RekorSelection, err = w.RekorTLogConfig.selection(path + "/rekorTlogConfig"); err != nil {
		return nil, err
	}
	c.TSASelection, err = w.TSAConfig.selection(path + "/tsaConfig")
	return c, err
}

func loadServices(wires []wireService, path string) ([]Service, error) {
	if err := checkCount(len(wires), path); err != nil {
		return nil, err
	}
	var services []Service
	for i, w := range wires {
		p := fmt.Sprintf("%s/%d", path, i)
		if err := CheckServiceURL(w.URL); err != nil {
			return nil, fail(p+"/url", "%w", err)
		}
		if err := checkText(w.Operator, p+"/operator"); err != nil {
			return nil, err
		}
		valid, err := w.ValidFor.started(p + "/validFor")
		if err != nil {
			return nil, err
		}
		services = append(services, Service{URL: w.URL, MajorAPIVersion: w.MajorAPIVersion, ValidFor: valid, Operator: w.Operator})
	}
	return services, nil
}

// CheckServiceURL accepts the absolute http and https URLs that a service may
// be reached at. It says nothing about whether plain http is wise.
func CheckServiceURL(text string) error {
	if len(text) > maxText {
		return fmt.Errorf("expected a URL of at most %d bytes, found %d", maxText, len(text))
	}
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("expected a URL: %w", err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || !isPrintable(text) {
		return fmt.Errorf("expected a URL such as https://rekor.example, found %q", text)
	}
	if u.User != nil || u.Fragment != "" {
		return fmt.Errorf("expected a URL without credentials and fragment, found one with them")
	}
	return nil
}

func (w *wireSelector) selection(path string) (Selection, error) {
	if w == nil {
		return Selection{}, nil
	}
	i := slices.Index(selectorNames[:], string(w.Selector))
	if n := slices.Index([]enum{"0", "1", "2", "3"}, w.Selector); n >= 0 {
		i = n
	}
	if w.Selector == "" {
		i = 0
	}
	sel := Selection{Selector: Selector(i), Count: w.Count}
	switch {
	case i < 0:
		return Selection{}, fail(path+"/selector", "expected ALL, ANY or EXACT, found %q", string(w.Selector))
	case sel.Selector == Exact && sel.Count == 0:
		return Selection{}, fail(path+"/count", "expected a count of 1 or more for the selector EXACT, found none")
	case sel.Selector != Exact && sel.Count != 0:
		return Selection{}, fail(path+"/count", "expected a count for the selector EXACT alone, found %d for %v", sel.Count, sel.Selector)
	}
	return sel, nil
}
