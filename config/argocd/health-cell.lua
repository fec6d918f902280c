-- The health of a Cell: whether objects can be released to it now.
local status = obj.status or {}
local ready
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    ready = condition
  end
end

local generation = obj.metadata.generation or 0
if ready == nil or (status.observedGeneration or 0) < generation then
  return {status = "Progressing", message = "generation " .. generation .. " has not been looked at yet"}
end
if ready.status == "True" then
  return {status = "Healthy", message = ready.message}
end

-- What only people can mend. Everything else is on its way.
local mend = {
  ClusterNotFound = true, ClusterIsCell = true, ClusterOfAnotherTenant = true, ClusterNotReady = true,
  NameConflict = true, TargetNamespaceConflict = true, NamespacesNotFederated = true,
}
if ready.status == "False" and mend[ready.reason] then
  return {status = "Degraded", message = ready.message}
end
return {status = "Progressing", message = ready.message}
