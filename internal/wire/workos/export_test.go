package workos

// OpenServices is openServices, for the journeys.
var OpenServices = openServices

// CheckEvents is checkEvents, for the journeys.
var CheckEvents = checkEvents

// CheckRows is checkRows, for the journeys.
var CheckRows = checkRows
