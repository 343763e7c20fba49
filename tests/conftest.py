"""What the template sets for every function."""

import os

os.environ |= {"POWERTOOLS_SERVICE_NAME": "relay", "POWERTOOLS_METRICS_NAMESPACE": "AdobeRelay"}
