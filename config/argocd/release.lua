
local mask = obj.spec.placementMask
if mask == nil then
  return obj -- Everything is released.
end
local released, there = {}, false
for _, item in ipairs(mask[word] or {}) do
  table.insert(released, item)
  there = there or item.name == name
end
if not there then
  table.insert(released, {name = name})
end
obj.spec.placementMask = {[word] = released}
return obj
