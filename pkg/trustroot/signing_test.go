package trustroot

import (
	"strings"
	"testing"
	"time"
)

func TestSelectServices(t *testing.T) {
	t.Parallel()
	svc := func(url string, version uint32, operator string, start, end int) Service {
		v := Validity{Start: noon.AddDate(0, 0, start)}
		if end != 0 {
			v.End = noon.AddDate(0, 0, end)
		}
		return Service{URL: url, MajorAPIVersion: version, ValidFor: v, Operator: operator}
	}
	all, anyOne := Selection{Selector: All}, Selection{Selector: Any}
	exactly := func(n uint32) Selection { return Selection{Selector: Exact, Count: n} }
	list := []Service{
		svc("old-a", 1, "a", -90, 0),
		svc("new-a", 1, "a", -10, 0),
		svc("b", 1, "b", -50, 0),
		svc("ended", 1, "c", -90, -1),
		svc("future", 1, "d", 1, 0),
		svc("unreleased", 0, "e", -90, 0),
		svc("v2-a", 2, "a", -5, 0),
	}
	for _, tt := range []struct {
		name     string
		services []Service
		sel      Selection
		versions []uint32
		want     string // URLs; an error begins with "error: "
	}{
		{"all: one of each operator, newest first", list, all, []uint32{1}, "new-a b"},
		{"any: the newest", list, anyOne, []uint32{1}, "new-a"},
		{"exactly", list, exactly(2), []uint32{1}, "new-a b"},
		{"the highest version alone", list, all, []uint32{1, 2}, "v2-a"},
		{"too few of the highest version", list, exactly(2), []uint32{1, 2}, "error: exactly 2"},
		{"too few operators", list, exactly(3), []uint32{1}, "error: exactly 3"},
		{"no version spoken", list, anyOne, nil, "error: found none among 7"},
		{"version 0 is not released", list, anyOne, []uint32{0}, "error: found none"},
		{"none", nil, anyOne, []uint32{1}, "error: found none"},
		{"no selector", list, Selection{}, []uint32{1}, "error: UNDEFINED"},
		{"both ends belong", []Service{svc("edge", 1, "a", 0, 0), svc("end", 1, "b", -1, 0)}, all, []uint32{1}, "edge end"},
		{"equal starts keep their order", []Service{svc("x", 1, "a", -1, 0), svc("y", 1, "b", -1, 0)}, all, []uint32{1}, "x y"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &SigningConfig{Rekor: tt.services, RekorSelection: tt.sel, TSAs: tt.services, TSASelection: tt.sel}
			for _, sel := range []func([]uint32, time.Time) ([]Service, error){c.SelectRekor, c.SelectTSA} {
				got, err := sel(tt.versions, noon)
				if reason, ok := strings.CutPrefix(tt.want, "error: "); ok {
					if err == nil || !strings.Contains(err.Error(), reason) {
						t.Errorf("got %v, %v, want an error with %q", got, err, reason)
					}
					continue
				}
				var urls []string
				for _, s := range got {
					urls = append(urls, s.URL)
				}
				if err != nil || strings.Join(urls, " ") != tt.want {
					t.Errorf("got %v, %v, want %s", urls, err, tt.want)
				}
			}
		})
	}
	c := &SigningConfig{CAs: list, OIDC: list[:1]}
	if s, err := c.SelectCA([]uint32{1, 2}, noon); err != nil || s.URL != "v2-a" {
		t.Errorf("SelectCA: got %v, %v", s, err)
	}
	if s, err := c.SelectOIDC([]uint32{1}, noon); err != nil || s.URL != "old-a" {
		t.Errorf("SelectOIDC: got %v, %v", s, err)
	}
	if _, err := c.SelectOIDC([]uint32{1}, noon.AddDate(-1, 0, 0)); err == nil {
		t.Error("SelectOIDC: a service is selected before its start")
	}
}
