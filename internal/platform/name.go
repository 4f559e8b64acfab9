package platform

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"regexp"
)

// adjectives and animals make names such as happy-otter-123; short, friendly and
// easy to tell apart when read aloud.
var (
	adjectives = []string{
		"amiable", "brave", "bright", "calm", "cheery", "clever", "cosy", "curious", "daring", "eager", "earnest", "fair",
		"famous", "fond", "gentle", "glad", "good", "grand", "happy", "honest", "jolly", "keen", "kind", "lively", "lucky",
		"merry", "mild", "modest", "neat", "nimble", "noble", "patient", "polite", "proud", "quick", "quiet", "rare", "ready",
		"robust", "sharp", "shiny", "silent", "smart", "steady", "sturdy", "sunny", "swift", "tidy", "tough", "warm", "wise", "witty",
	}
	animals = []string{
		"badger", "beaver", "bison", "bullfinch", "camel", "cat", "cormorant", "crane", "deer", "dolphin", "dove", "eagle",
		"falcon", "ferret", "finch", "fox", "gazelle", "goat", "hare", "hawk", "hedgehog", "heron", "horse", "ibex", "jackdaw",
		"kestrel", "koala", "lark", "llama", "lynx", "magpie", "marmot", "mole", "moose", "newt", "otter", "owl", "panda",
		"pelican", "puffin", "rabbit", "raven", "robin", "salmon", "seal", "sparrow", "squirrel", "stork", "swan", "thrush", "toad", "wren",
	}
)

// NewName makes a deployment's name: two words and three digits, as the official
// tools expect of a fully qualified name.
func NewName() string {
	return fmt.Sprintf("%s-%s-%d", adjectives[below(len(adjectives))], animals[below(len(animals))], 100+below(900))
}

// below is a random number in [0, n).
func below(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic("platform: no randomness: " + err.Error()) // crypto/rand does not fail on the platforms we run on
	}
	return int(i.Int64())
}

// nameForm is what may name a deployment: it stands in admin keys before the bar,
// in addresses and in directory names.
var nameForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// ValidName says whether s may name a deployment.
func ValidName(s string) bool { return len(s) <= 64 && nameForm.MatchString(s) }
