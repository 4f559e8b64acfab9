package dashboard

import "strings"

// Nav lists the pages of the visit's deployment.
func (v *Visit) Nav() []NavGroup {
	if v.Row == nil {
		return nil
	}
	var groups []NavGroup
	for i := range v.site.pages {
		p := &v.site.pages[i]
		if p.nav == "" {
			continue
		}
		if len(groups) == 0 || groups[len(groups)-1].Name != p.group {
			groups = append(groups, NavGroup{Name: p.group})
		}
		g := &groups[len(groups)-1]
		g.Items = append(g.Items, NavItem{Name: p.nav, Icon: p.icon, Key: p.key, URL: strings.Replace(p.path, "/d/{deployment}", v.Base(), 1),
			Here: v.page != nil && (v.page.path == p.path || strings.HasPrefix(v.page.path, p.path+"/"))})
	}
	return groups
}

// Tab is a link among pages of one thing.
type Tab struct {
	Name, URL string
	Here      bool
}

// TeamTabs are the pages of the visit's team.
func (v *Visit) TeamTabs() []Tab {
	base := "/t/" + v.Team.Slug
	return []Tab{{"Projects", base, v.URL.Path == base}, {"Members", base + "/-/members", v.URL.Path == base+"/-/members"},
		{"WorkOS", base + "/-/workspace", v.URL.Path == base+"/-/workspace"}}
}

// Kinds are those of deployments that can be made.
func (v *Visit) Kinds() []string { return []string{"dev", "preview", "prod", "custom"} }

// Initial is the letter that stands for the operator.
func (v *Visit) Initial() string {
	for _, text := range []string{v.Operator.Name, v.Operator.Email} {
		for _, r := range text {
			return strings.ToUpper(string(r))
		}
	}
	return "?"
}
