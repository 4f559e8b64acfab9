package workos

// OpenServices is openServices, for the journeys.
var OpenServices = openServices
