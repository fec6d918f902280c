-- Which of the actions can be run now. A mask holds only what cellfed propagates: KubeFed knows none.
local mask = obj.spec.placementMask
local pushed = obj.status ~= nil and obj.status.summary ~= nil
local empty = false
if mask ~= nil then
  empty = #(mask.topologies or mask.clusters or {}) == 0
end
local param = "cluster"
if obj.spec.topologyType == "cell" then
  param = "cell"
end

return {
  ["hold"] = {
    disabled = not pushed or empty, iconClass = "fa fa-fw fa-pause",
    displayName = "Hold a " .. param, params = {{name = param}},
  },
  ["release"] = {
    disabled = mask == nil, iconClass = "fa fa-fw fa-play",
    displayName = "Release to a " .. param, params = {{name = param}},
  },
  ["hold-all"] = {
    disabled = not pushed or empty, iconClass = "fa fa-fw fa-pause-circle",
    displayName = "Hold every " .. param,
  },
  ["release-all"] = {
    disabled = mask == nil, iconClass = "fa fa-fw fa-play-circle",
    displayName = "Release to every " .. param,
  },
}
