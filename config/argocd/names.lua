-- The word for the list in the object's version, and the names that a mask can hold: what the object is placed on, and
-- what its status lists.
local word = "topologies"
if obj.apiVersion == "types.kubefed.io/v1beta1" then
  word = "clusters"
end
local known, names = {}, {}
for _, items in ipairs({(obj.spec.placement or {})[word] or {}, (obj.status or {})[word] or {}}) do
  for _, item in ipairs(items) do
    if not known[item.name] then
      known[item.name] = true
      table.insert(names, item.name)
    end
  end
end
