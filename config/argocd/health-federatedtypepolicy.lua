-- The health of a FederatedTypePolicy: whether the one that is to propagate the type does, and stores it as it should.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local generation = obj.metadata.generation or 0
local propagating = conditions.Propagating
if propagating == nil or (status.observedGeneration or 0) < generation then
  return {status = "Progressing", message = "generation " .. generation .. " has not been looked at yet"}
end
local valid = conditions.Valid or {}
if valid.status == "False" then
  return {status = "Degraded", message = valid.message}
end

if propagating.status ~= "True" then
  local mend = {
    FederatedTypeConfigNotFound = true, FederatedTypeConfigTerminating = true, PropagationDisabled = true,
    KubeFedNotRunning = true,
  }
  local reason = propagating.reason
  -- KubeFed goes on while the type's CRD is being upgraded; without that nobody propagates the type.
  if mend[reason] or reason == "NotServed" and status.propagator ~= "KubeFed" then
    return {status = "Degraded", message = propagating.message}
  elseif reason == "ObjectsHeld" then
    return {status = "Suspended", message = propagating.message}
  end
  return {status = "Progressing", message = propagating.message}
end

local stored = conditions.StorageMigrated or {}
if stored.status == "False" and stored.reason == "MigrationRefused" then
  return {status = "Degraded", message = stored.message}
elseif stored.status ~= "True" then
  return {status = "Progressing", message = stored.message or "it is not known yet in which version objects are stored"}
end
return {status = "Healthy", message = propagating.message .. "; " .. stored.message}
