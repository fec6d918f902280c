package helmlife

// asked returns how much each account has asked the host for.
func (s *story) asked() map[string]int {
	s.Helper()
	requests, err := s.requests.Requests()
	s.must(err)
	asked := map[string]int{}
	for _, request := range requests {
		asked[request.Account]++
	}
	return asked
}

// entitled checks that what ran had every right that it asked for.
func (s *story) entitled() {
	s.Helper()
	requests, err := s.requests.Requests()
	s.must(err)
	refused := 0
	for _, request := range requests {
		if request.Forbidden() {
			refused++
			s.Errorf("refused: %s", request)
		}
	}
	s.Logf("requests by account, %d refused: %v", refused, s.asked())
}
