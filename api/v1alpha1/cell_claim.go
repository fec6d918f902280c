package v1alpha1

// Claim returns the place that the Cell claims for itself alone: the physical cluster's name and the namespace there,
// separated by a slash, which neither can hold. Cells with the same claim cannot all have it (Precedes).
func (c *Cell) Claim() string {
	return c.Spec.ClusterName + "/" + c.TargetNamespace()
}

// Precedes reports whether the Cell has the better right to a claim that both make: the older one has it, and of two
// that are equally old the one whose namespace, and then whose name, sorts first. A Cell that is being deleted keeps
// its right until it is gone, because what was released to it is still there. Nobody else may be served in its place.
func (c *Cell) Precedes(other *Cell) bool {
	if !c.CreationTimestamp.Equal(&other.CreationTimestamp) {
		return c.CreationTimestamp.Before(&other.CreationTimestamp)
	}
	if c.Namespace != other.Namespace {
		return c.Namespace < other.Namespace
	}
	return c.Name < other.Name
}
