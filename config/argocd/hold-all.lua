-- An empty list holds everything, what is placed later included.
local word = "topologies"
if obj.apiVersion == "types.kubefed.io/v1beta1" then
  word = "clusters"
end
obj.spec.placementMask = {[word] = {}}
return obj
