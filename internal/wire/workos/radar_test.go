package workos

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// attempt is an attempt to sign in, for the tests.
func attempt(email, ip string) object {
	return object{"ip_address": ip, "user_agent": "Mozilla/5.0", "email": email, "auth_method": "Password", "action": "sign-in"}
}

func TestRadarListsDecide(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	verdict := func(a object, verdict, list string) {
		t.Helper()
		got := h.call("POST", "/radar/attempts", a).want(200)
		if got.text("verdict") != verdict || list != "" && got.at("blocklist_type") != list || got.text("reason") == "" || got.text("attempt_id") == "" {
			t.Errorf("wanted %s %s: %s", verdict, list, got.raw)
		}
	}
	list := func(kind, action, entry string) {
		t.Helper()
		h.call("POST", "/radar/lists/"+kind+"/"+action, object{"entry": entry}).want(200)
	}
	verdict(attempt("ada@mail.example.com", "203.0.113.9"), "allow", "")
	list("domain", "block", "Example.com")
	verdict(attempt("ada@mail.example.com", "203.0.113.9"), "block", "domain")
	list("email", "allow", "Ada@mail.example.com")
	verdict(attempt("ada@mail.example.com", "203.0.113.9"), "allow", "")
	list("ip_address", "block", "203.0.113.0/24")
	verdict(attempt("bob@soup.example", "203.0.113.9"), "block", "ip_address")
	verdict(attempt("bob@soup.example", "203.0.114.9"), "allow", "")
	list("ip_address", "block", "2001:DB8::1")
	verdict(attempt("bob@soup.example", "2001:db8:0::1"), "block", "ip_address")
	list("user_agent", "block", "Mozilla/5.0")
	verdict(attempt("cyn@soup.example", "192.0.2.1"), "block", "user_agent")
	if again := h.call("POST", "/radar/lists/user_agent/block", object{"entry": "Mozilla/5.0"}).want(200); again.text("message") != "Entry already present in list" {
		t.Errorf("again: %s", again.raw)
	}
	h.stranger().call("DELETE", "/radar/lists/user_agent/block", object{"entry": "Mozilla/5.0"}).want(404)
	h.call("DELETE", "/radar/lists/user_agent/block", object{"entry": "Mozilla/5.0"}).want(204)
	h.call("DELETE", "/radar/lists/user_agent/block", object{"entry": "Mozilla/5.0"}).want(404)
	verdict(attempt("cyn@soup.example", "192.0.2.1"), "allow", "")
	for _, bad := range [][3]string{{"ip_address", "block", "home"}, {"email", "block", "nobody"}, {"domain", "block", "a b"}, {"country", "block", "CH"}, {"thing", "block", "x"}, {"email", "hug", "a@b.example"}} {
		h.call("POST", "/radar/lists/"+bad[0]+"/"+bad[1], object{"entry": bad[2]}).want(400)
	}
	for _, change := range []object{{"ip_address": "x"}, {"email": "x"}, {"auth_method": "Magic"}, {"action": "leave"}} {
		a := attempt("ada@example.com", "192.0.2.1")
		for k, v := range change {
			a[k] = v
		}
		h.call("POST", "/radar/attempts", a).want(400)
	}
	u, _ := h.member("ada@example.com", "Soup")
	no := h.call("POST", "/user_management/radar_challenges", object{"user_id": u, "pending_authentication_token": "t", "phone_number": "+41440000000"}).want(400)
	if no.text("code") != "sms_not_available" {
		t.Errorf("sms: %s", no.raw)
	}
}

func TestRadarSeesGuessing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		var last *answer
		for range 11 {
			last = h.call("POST", "/radar/attempts", attempt("ada@example.com", "192.0.2.1")).want(200)
		}
		if last.text("verdict") != "challenge" || last.text("control") != "brute_force_attack" {
			t.Errorf("guessing: %s", last.raw)
		}
		for i := range 90 {
			last = h.call("POST", "/radar/attempts", attempt(fmt.Sprintf("u%d@example.com", i), "192.0.2.1")).want(200)
		}
		if last.text("verdict") != "block" || last.text("control") != "brute_force_attack" {
			t.Errorf("spraying: %s", last.raw)
		}
		h.call("PUT", "/radar/attempts/"+last.text("attempt_id"), object{"attempt_status": "success", "challenge_status": "success"}).want(204)
		h.call("PUT", "/radar/attempts/"+last.text("attempt_id"), object{"attempt_status": "lost"}).want(400)
		h.stranger().call("PUT", "/radar/attempts/"+last.text("attempt_id"), object{"attempt_status": "success"}).want(404)
		time.Sleep(11 * time.Minute)
		if after := h.call("POST", "/radar/attempts", attempt("ada@example.com", "192.0.2.1")).want(200); after.text("verdict") != "allow" {
			t.Errorf("later: %s", after.raw)
		}
	})
}
