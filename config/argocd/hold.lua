
-- Without a mask everything is released, so the one that is written names everything else.
local mask, kept = obj.spec.placementMask, {}
if mask == nil then
  for _, other in ipairs(names) do
    if other ~= name then
      table.insert(kept, {name = other})
    end
  end
else
  for _, item in ipairs(mask[word] or {}) do
    if item.name ~= name then
      table.insert(kept, item)
    end
  end
end
obj.spec.placementMask = {[word] = kept}
return obj
