
local param = "cluster"
if obj.spec.topologyType == "cell" then
  param = "cell"
end
local name = actionParams[param]
if name == nil or name == "" then
  error("name the " .. param .. " in the parameter " .. param .. ": " .. table.concat(names, ", "), 0)
end
-- A cell is called by its own name in either version.
if not known[name] and param == "cell" and known[obj.metadata.namespace .. "." .. name] then
  name = obj.metadata.namespace .. "." .. name
end
if not known[name] then
  error("the object is not placed on the " .. param .. " " .. name .. ": name one of " .. table.concat(names, ", "), 0)
end
