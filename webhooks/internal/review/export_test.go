package review

// Parse is what reads a review without controller-runtime, and Read what reads the body of a request.
var (
	Parse = parse
	Read  = read
)
