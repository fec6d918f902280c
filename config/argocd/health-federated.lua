-- The health of a federated object, in v1beta1 (clusters) and v2beta1 (topologies), whoever propagates it. Argo CD opens no
-- string library to a health check, so this one does without.
local function tell(status, message)
  return {status = status, message = message}
end

-- What the API group holds beside federated objects, such as FederatedServiceStatus, has no spec and nothing to wait for.
if obj.spec == nil then
  return tell("Healthy", "")
end

local most = 10 -- names in a message
local function list(names)
  table.sort(names)
  if #names <= most then
    return table.concat(names, ", ")
  end
  return table.concat(names, ", ", 1, most) .. " and " .. (#names - most) .. " more"
end

local generation = obj.metadata.generation or 0
local status = obj.status or {}
local summary = status.summary -- Cellfed counts, KubeFed does not.

-- A status of another generation says nothing of what was asked for last.
if (status.observedGeneration or 0) < generation then
  return tell("Progressing", "generation " .. generation .. " has not been looked at yet")
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local current, held, listed = 0, 0, 0
local behind, leaving, failing = {}, {}, {}
for _, entry in ipairs(status.topologies or status.clusters or {}) do
  local word = entry.status or ""
  if word == "WaitingForRemoval" then
    table.insert(leaving, entry.name)
  else
    listed = listed + 1
    if word == "Held" then
      held = held + 1
    elseif word ~= "" then
      table.insert(failing, word .. ": " .. entry.name)
    elseif summary ~= nil and (entry.generation or 0) ~= generation then
      table.insert(behind, entry.name)
    else
      current = current + 1
    end
  end
end

local unit = " clusters"
if obj.spec.topologyType == "cell" then
  unit = " cells"
end
local placed = listed
if summary ~= nil then
  placed = summary.placed or 0
end
local counted = current .. " of " .. placed .. unit .. " up to date"
if held > 0 then
  counted = counted .. ", " .. held .. " held"
end

-- Why nothing is propagated at all, in KubeFed's words: a namespace can still be federated, the rest is for people to mend.
local function stopped(reason, message)
  if reason == "NamespaceNotFederated" then
    return tell("Progressing", message or "the namespace is not federated: a FederatedNamespace must place it")
  end
  return tell("Degraded", message or ("nothing is propagated: " .. reason))
end

if summary ~= nil then
  local propagated, available = conditions.Propagated, conditions.Available or {}
  if propagated == nil or (propagated.observedGeneration or 0) < generation then
    return tell("Progressing", "generation " .. generation .. " has not been looked at yet")
  end
  local reason, message = propagated.reason or "", propagated.message or ""
  if propagated.status ~= "True" then
    if reason == "Failed" then
      return tell("Degraded", counted .. "; " .. message)
    elseif reason == "Progressing" or reason == "Deleting" then
      return tell("Progressing", counted .. "; " .. message)
    end
    return stopped(reason, message)
  end
  -- What else there is to know, such as annotations that no policy propagates, follows the count of the condition.
  local plain = current .. " of " .. current .. " have generation " .. generation
  if reason ~= "Propagated" or message ~= plain then
    counted = counted .. "; " .. message
  end
  if available.status == "False" and available.reason == "Failed" then
    return tell("Degraded", counted .. "; " .. available.message)
  elseif reason == "NothingInScope" then
    return tell("Suspended", counted)
  elseif available.status == "False" then
    return tell("Progressing", counted .. "; " .. available.message)
  end
  return tell("Healthy", counted)
end

local propagation = conditions.Propagation
if propagation == nil then
  return tell("Progressing", "KubeFed has not reported on it yet")
end
local reason = propagation.reason or ""
if propagation.status ~= "True" and reason ~= "" and reason ~= "CheckClusters" then
  return stopped(reason, nil)
elseif #failing > 0 then
  return tell("Degraded", counted .. "; " .. list(failing))
elseif #leaving > 0 then
  return tell("Progressing", counted .. "; waiting for removal from " .. list(leaving))
elseif propagation.status ~= "True" then
  return tell("Progressing", counted)
end
return tell("Healthy", counted)
