explore
explore --strategy
explore --strategy some explore/orders.scn
explore --strategy 'pct 0' explore/orders.scn
explore --strategy 'pct 3 runs 0' explore/orders.scn
explore --strategy 'all twice' explore/orders.scn
explore --budget 0 explore/orders.scn
explore --budget many explore/orders.scn
explore --fs ext9 explore/orders.scn
explore nowhere.scn
