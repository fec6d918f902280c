package review

// Parse is what reads a review without controller-runtime.
var Parse = parse
