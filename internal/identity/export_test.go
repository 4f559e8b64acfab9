package identity

// LogoType is logoType, for fuzzing.
var LogoType = logoType
