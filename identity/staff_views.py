"""Pages on which staff and secretaries sign in and out."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from identity import limits, staff
from identity.models import User
from identity.voters import private
from voting_portal.common.http import see_other

BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Sign in with a name and a password; users without a password have links."""
    to = request.POST.get("next", request.GET.get("next", ""))
    if not url_has_allowed_host_and_scheme(to, allowed_hosts=None):
        to = ""
    if request.user.is_authenticated:
        return see_other("identity:staff-home")
    refusal: staff.CannotSignIn | limits.TooMany | None = None
    username = request.POST.get("username", "")
    if request.method == "POST":
        try:
            user = staff.check_password(
                request, username=username, password=request.POST.get("password", "")
            )
        except (staff.CannotSignIn, limits.TooMany) as refused:
            refusal = refused
        else:
            login(request, user, backend=BACKEND)
            return see_other(to or "identity:staff-home")
    context = {"refusal": refusal, "username": username, "next": to}
    status = refusal.status if refusal else 200
    return private(render(request, "identity/staff_login.html", context, status=status))


@login_not_required
def sign_in_by_pass(request: HttpRequest, secret: str) -> HttpResponseBase:
    """Show whose link this is; pressing the button signs in and uses it up."""
    now = timezone.now()
    try:
        if request.method == "POST":
            login(request, staff.use_pass(secret, now=now), backend=BACKEND)
            return see_other("identity:staff-home")
        user = staff.read_pass(secret, now=now)
    except staff.CannotSignIn as refusal:
        context: dict[str, object] = {"refusal": refusal}
        response: HttpResponse = render(
            request, "identity/staff_pass.html", context, status=refusal.status
        )
    else:
        response = render(request, "identity/staff_pass.html", {"pass_user": user})
    response["Referrer-Policy"] = "strict-origin"  # the address is a secret
    return private(response)


@require_safe
def home(request: HttpRequest) -> HttpResponseBase:
    """Where each role works."""
    assert isinstance(request.user, User)
    if request.user.role == User.Role.OPERATOR:
        return see_other("admin:index")
    return see_other("console:meetings")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponseBase:
    logout(request)
    return see_other("identity:staff-login")
