obj.spec.placementMask = nil
return obj
