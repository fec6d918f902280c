package topology

// Cluster is the topology type whose names are those of KubeFedClusters: what upstream KubeFed does by itself.
const Cluster = "cluster"

var clusterType = Type{Name: Cluster}
