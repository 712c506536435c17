package snapshot

// OpenNow is what opens a file that was a regular one a moment ago.
var OpenNow = openNow
