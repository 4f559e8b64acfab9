package dashboard

import "time"

// Gauge is how much of something is in use, and how much may be.
type Gauge struct {
	Name  string
	Used  int64
	Limit int64 // 0: none
	Bytes bool
}

// Health is how a running house stands, as the server tells it.
type Health struct {
	Version  string
	Began    time.Time
	Problems []string
	Gauges   []Gauge
}

// healthView is the first page of a deployment.
type healthView struct {
	*Visit
	URL, SiteURL string
	Health       *Health
}

func (healthView) template() string { return "health" }
func (healthView) heading() string  { return "Health" }

// showHealth shows how the deployment and its house stand.
func (s *Site) showHealth(v *Visit) (view, error) {
	out := &healthView{Visit: v}
	if s.Platform.Fleet != nil {
		var err error
		if out.URL, out.SiteURL, err = s.Platform.Fleet.Addresses(v.Context(), v.Row.Name); err != nil {
			return nil, err
		}
	}
	if s.Health != nil {
		h := s.Health()
		out.Health = &h
		v.Every(liveHealth)
	}
	return out, nil
}

// High is where a gauge becomes worth a look.
func (g Gauge) High() int64 { return g.Limit * 9 / 10 }
