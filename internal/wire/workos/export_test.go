package workos

// OpenServices is openServices, for the journeys.
var OpenServices = openServices

// CheckEvents is checkEvents, for the journeys.
var CheckEvents = checkEvents
