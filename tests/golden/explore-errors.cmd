explore
explore --strategy
explore --strategy some explore/orders.scn
explore --strategy 'pct 0' explore/orders.scn
explore --strategy 'pct 3 runs 0' explore/orders.scn
explore --strategy 'all twice' explore/orders.scn
explore --budget 0 explore/orders.scn
explore --budget many explore/orders.scn
explore --budget -5 explore/orders.scn
explore -b 99999999999999999999 explore/orders.scn
explore --budget '' explore/orders.scn
hunt --budget -5
explore --fs ext9 explore/orders.scn
explore nowhere.scn
